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
	return call[Status](ctx, socket, http.MethodGet, "/v1/status", "its status")
}

// RequestReload asks the daemon at the control socket to reload its configuration.
func RequestReload(ctx context.Context, socket string) (Reload, error) {
	return call[Reload](ctx, socket, http.MethodPost, "/v1/reload", "a reload")
}

// call asks the daemon for something.
func call[T any](ctx context.Context, socket, method, path, what string) (answer T, err error) {
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
		return answer, fmt.Errorf("asking the daemon for %s: %w", what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("asking the daemon for %s: it answered %s", what, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("asking the daemon for %s: reading the answer: %w", what, err)
	}
	return answer, nil
}
