package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// longestFilter bounds what a client sends to choose dead letters, in bytes.
const longestFilter = 64 << 10

// Retried is what became of dead letters that were sent once more. Those that InfluxDB refused again stay.
type Retried struct {
	Stored  int `json:"stored"`
	Expired int `json:"expired"`
	Refused int `json:"refused"`
	// Problem says why not all were sent, if not.
	Problem string `json:"problem,omitempty"`
}

// Dropped is how many dead letters were removed.
type Dropped struct {
	Letters uint64 `json:"letters"`
	Problem string `json:"problem,omitempty"`
}

func handleDeadLetters(mux *http.ServeMux, subject Subject) {
	mux.HandleFunc("POST /v1/deadletters/retry", func(w http.ResponseWriter, r *http.Request) {
		chosen, ok := readFilter(w, r)
		if !ok {
			return
		}
		// It takes as long as InfluxDB does. When the client goes, it ends.
		control := http.NewResponseController(w)
		_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
		retried, err := subject.RetryDeadLetters(r.Context(), chosen)
		if err != nil {
			retried.Problem = err.Error()
		}
		answer(w, http.StatusOK, retried)
	})
	mux.HandleFunc("POST /v1/deadletters/drop", func(w http.ResponseWriter, r *http.Request) {
		chosen, ok := readFilter(w, r)
		if !ok {
			return
		}
		dropped, err := subject.DropDeadLetters(chosen)
		if err != nil {
			dropped.Problem = err.Error()
		}
		answer(w, http.StatusOK, dropped)
	})
}

// readFilter takes nothing that it does not know: a filter that was misunderstood could choose all.
func readFilter(w http.ResponseWriter, r *http.Request) (chosen influx.LetterFilter, ok bool) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, longestFilter))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&chosen); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "reading the filter: " + err.Error()})
		return chosen, false
	}
	return chosen, true
}
