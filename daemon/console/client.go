package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// ErrNotRunning says that no daemon answers on the control socket.
var ErrNotRunning = errors.New("the daemon is not running")

// FetchStatus asks the daemon at the control socket for its status.
func FetchStatus(ctx context.Context, socket string) (Status, error) {
	return ask[Status](ctx, socket, http.MethodGet, "/v1/status")
}

// RequestReload asks the daemon at the control socket to reload its configuration.
func RequestReload(ctx context.Context, socket string) (Reload, error) {
	return ask[Reload](ctx, socket, http.MethodPost, "/v1/reload")
}

func ask[T any](ctx context.Context, socket, method, path string) (answer T, err error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://vedette"+path, nil)
	if err != nil {
		return answer, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return answer, fmt.Errorf("%w: nothing answers on %s; start it with `vedette run`", ErrNotRunning, socket)
	}
	if err != nil {
		return answer, fmt.Errorf("asking the daemon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("asking the daemon: it answered %s to %s", resp.Status, path)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return answer, nil
}
