package probe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

func ExampleProber_Run() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "closed for the night")
	}))
	defer server.Close()
	shop, err := url.Parse(server.URL)
	if err != nil {
		panic(err)
	}
	prober, err := probe.New(probe.Target{
		URL:     shop,
		Timeout: 5 * time.Second,
		Expect:  probe.Expectation{BodyContains: "cart"},
	})
	if err != nil {
		panic(err)
	}
	result := prober.Run(context.Background())
	numbers := result.Curl()
	fmt.Println(result.Outcome, numbers.HTTPCode, numbers.SizeDownload)
	fmt.Println(result.Err)
	fmt.Println("waited:", result.Last().Phases().Wait.Reached)
	fmt.Println("secured:", numbers.AppConnect.Reached)
	// Output:
	// body 200 20
	// "cart" is not in the body of 20 bytes
	// waited: true
	// secured: false
}
