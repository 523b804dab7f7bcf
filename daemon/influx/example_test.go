package influx_test

import (
	"context"
	"fmt"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func ExampleWriter() {
	dead, err := influx.OpenDeadLetters("data/dead-letters", 64<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dead.Close()
	w, err := influx.NewWriter(influx.WriterOptions{
		URL:    "http://127.0.0.1:8086",
		Token:  "vedette_writer:password",
		Bucket: "vedette",
		Reject: dead.To(influx.Points),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	result, err := w.Write(context.Background(), [][]byte{
		[]byte(`http_quality,target=shop available=true,total_time=0.25 1767225600000000000`),
	})
	fmt.Println(result.Stored, result.Rejected, result.Expired, err)
}

func ExampleReader() {
	r, err := influx.NewReader(influx.ReaderOptions{
		URL:      "http://127.0.0.1:8086",
		Token:    "vedette_reader:password",
		Database: "vedette",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	tables, err := r.Query(context.Background(), `SELECT mean(up) FROM http_quality WHERE time > now() - 1d GROUP BY target`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, table := range tables {
		for _, row := range table.Rows {
			availability, _ := row[1].Float()
			fmt.Printf("%s %.3f\n", table.Tags["target"], availability)
		}
	}
}
