package vantage

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// Reference is something that answers while the place is well.
type Reference struct {
	address string // host:port, to connect to
	gateway bool   // the host is the gateway at the time
	port    string
	prober  *probe.Prober // or a page to get
}

// Parse reads a reference: tcp://HOST:PORT, tcp://gateway:PORT for the gateway of the default route, or the address of a page.
func Parse(text string) (Reference, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The error repeats the text, which may hold a password.
		return Reference{}, errors.New("reference is no address, such as tcp://192.0.2.1:443 or https://www.example.com/")
	}
	if u.Scheme != "tcp" {
		prober, err := probe.New(probe.Target{URL: u})
		if err != nil {
			return Reference{}, fmt.Errorf("reference is neither tcp://HOST:PORT nor a page: %w", err)
		}
		return Reference{prober: prober}, nil
	}
	r := Reference{address: u.Host, port: u.Port(), gateway: u.Hostname() == "gateway"}
	switch {
	case u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		return Reference{}, errors.New("reference with tcp is a host and a port and nothing else: tcp://192.0.2.1:443")
	case r.gateway && runtime.GOOS != "linux":
		return Reference{}, errors.New("reference can not be the gateway, which is found on Linux only: write its address")
	}
	return r, nil
}

// Ask implements Asker. A connection that is refused is an answer, and so is any page: the
// way there and back is open.
func (r Reference) Ask(ctx context.Context) error {
	if r.prober != nil {
		result := r.prober.Run(ctx)
		if result.Last().Status == 0 {
			return result.Err
		}
		return nil
	}
	address := r.address
	if r.gateway {
		gateway, err := defaultGateway()
		if err != nil {
			return err
		}
		address = net.JoinHostPort(gateway.String(), r.port)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// defaultGateway is that of the IPv4 route to everywhere.
func defaultGateway() (netip.Addr, error) {
	routes, err := os.Open("/proc/net/route")
	if err != nil {
		return netip.Addr{}, fmt.Errorf("looking for the gateway: %w", err)
	}
	defer routes.Close()
	return gatewayOf(routes)
}

// gatewayOf finds the gateway in the kernel's table of routes, which has addresses in the machine's byte order.
func gatewayOf(routes io.Reader) (netip.Addr, error) {
	lines := bufio.NewScanner(routes)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) < 8 || columns[1] != "00000000" || columns[7] != "00000000" || columns[2] == "00000000" {
			continue
		}
		raw, err := hex.DecodeString(columns[2])
		if err != nil || len(raw) != 4 {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32(raw))
		return netip.AddrFrom4(b), nil
	}
	if err := lines.Err(); err != nil {
		return netip.Addr{}, fmt.Errorf("reading the routes: %w", err)
	}
	return netip.Addr{}, errors.New("there is no route to everywhere, and so no gateway")
}
