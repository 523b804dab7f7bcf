package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// Subject is what the console looks into.
type Subject interface {
	Status() Status
	Reload() Reload
	// RetryDeadLetters sends the letters that are chosen once more, and DropDeadLetters removes them for good.
	RetryDeadLetters(ctx context.Context, chosen influx.LetterFilter) (Retried, error)
	DropDeadLetters(chosen influx.LetterFilter) (Dropped, error)
	// Watch begins to watch points of these measurements.
	Watch(measurements []string) Watcher
	// Handle adds what others answer on the control socket.
	Handle(mux *http.ServeMux)
}

// Server answers on one listener.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Control returns the server of the control socket at path. Only the daemon's user can open it.
func Control(path string, subject Subject, logger hclog.Logger) (*Server, error) {
	// The caller holds the lock of the data directory, so a socket that is there is of a daemon that is gone.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("protecting the control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, subject.Status())
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, subject.Reload())
	})
	handleDeadLetters(mux, subject)
	handleLive(mux, subject)
	subject.Handle(mux)
	return newServer(listener, mux, logger), nil
}

// Health returns the server of /healthz at a loopback address.
func Health(address string, subject Subject, logger hclog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s for /healthz: %w; choose another address with daemon { listen = … }", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		// Whoever asks here has shown no password, so the reason is left to the control socket.
		if subject.Status().Problem != "" {
			answer(w, http.StatusServiceUnavailable, health{"failing"})
			return
		}
		answer(w, http.StatusOK, health{"ok"})
	})
	return newServer(listener, mux, logger), nil
}

type health struct {
	Status string `json:"status"`
}

func newServer(listener net.Listener, handler http.Handler, logger hclog.Logger) *Server {
	return &Server{listener, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		// Without these a client that keeps a connection open, or owes a body, would do so for ever.
		ReadTimeout:    30 * time.Second,
		IdleTimeout:    30 * time.Second,
		WriteTimeout:   30 * time.Second,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}}
}

// Address is where the server listens.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Close stops listening, also when Run was never called.
func (s *Server) Close() { _ = s.listener.Close() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", s.listener.Addr(), err)
	}
	return nil
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here is of a client that has gone.
	_ = json.NewEncoder(w).Encode(body)
}
