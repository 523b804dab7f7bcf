package spool_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, repairs, err := spool.Open(dir, spool.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Println("sound:", repairs.None())

	s.Append([]byte("weather,city=gz temp=31.5 1700000000000000000"), 1, func(err error) {
		// On disk: now the sender may forget it.
		if err != nil {
			log.Print(err)
		}
	})

	rec, err := s.Read(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d: %s\n", rec.Seq, rec.Payload)
	if err := s.Commit(rec.Seq); err != nil { // delivered
		log.Fatal(err)
	}
	// Output:
	// sound: true
	// 1: weather,city=gz temp=31.5 1700000000000000000
}
