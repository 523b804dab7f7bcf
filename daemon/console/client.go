package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// ErrNotRunning says that no daemon answers on the control socket.
var ErrNotRunning = errors.New("the daemon is not running")

// FetchStatus asks the daemon at the control socket for its status.
func FetchStatus(ctx context.Context, socket string) (Status, error) {
	return call[Status](ctx, socket, http.MethodGet, "/v1/status", nil, "its status")
}

// RequestReload asks the daemon at the control socket to reload its configuration.
func RequestReload(ctx context.Context, socket string) (Reload, error) {
	return call[Reload](ctx, socket, http.MethodPost, "/v1/reload", nil, "a reload")
}

// RequestRetry asks the daemon at the control socket to send dead letters once more.
func RequestRetry(ctx context.Context, socket string, chosen influx.LetterFilter) (Retried, error) {
	return call[Retried](ctx, socket, http.MethodPost, "/v1/deadletters/retry", chosen, "a retry of dead letters")
}

// RequestDrop asks the daemon at the control socket to remove dead letters for good.
func RequestDrop(ctx context.Context, socket string, chosen influx.LetterFilter) (Dropped, error) {
	return call[Dropped](ctx, socket, http.MethodPost, "/v1/deadletters/drop", chosen, "a removal of dead letters")
}

// Ask asks the daemon at the control socket for what others answer there, and sends what it needs for that as JSON.
func Ask[T any](ctx context.Context, socket, method, path string, send any, what string) (T, error) {
	return call[T](ctx, socket, method, path, send, what)
}

// Refusal is an answer that says what is wrong with the question.
type Refusal struct {
	Status  int
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// call asks the daemon for something, and sends what it needs for that as JSON.
func call[T any](ctx context.Context, socket, method, path string, send any, what string) (answer T, err error) {
	resp, err := open(ctx, socket, method, path, send, what)
	if err != nil {
		return answer, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("asking the daemon for %s: reading the answer: %w", what, err)
	}
	return answer, nil
}

// open is call for an answer that the caller reads and closes.
func open(ctx context.Context, socket, method, path string, send any, what string) (*http.Response, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	var body io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return nil, fmt.Errorf("asking the daemon for %s: %w", what, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vedette"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: nothing answers on %s; start it with `vedette run`", ErrNotRunning, socket)
	}
	if err != nil {
		return nil, fmt.Errorf("asking the daemon for %s: %w", what, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		var why struct{ Error string }
		if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&why) == nil && why.Error != "" {
			return nil, &Refusal{resp.StatusCode, why.Error}
		}
		return nil, fmt.Errorf("asking the daemon for %s: it answered %s", what, resp.Status)
	}
	return resp, nil
}
