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
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vedette/v1/status", nil)
	if err != nil {
		return Status{}, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return Status{}, fmt.Errorf("%w: nothing answers on %s; start it with `vedette run`", ErrNotRunning, socket)
	}
	if err != nil {
		return Status{}, fmt.Errorf("asking the daemon for its status: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("asking the daemon for its status: it answered %s", resp.Status)
	}
	var status Status
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return Status{}, fmt.Errorf("reading the daemon's status: %w", err)
	}
	return status, nil
}
