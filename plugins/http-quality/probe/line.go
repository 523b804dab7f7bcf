package probe

import (
	"errors"
	"fmt"
	"net/netip"
)

// Line is the way out of this machine that a probe takes, with all its sockets, those to DNS servers included. So one machine
// can measure over the lines of several providers. The zero Line leaves the choice to the system.
type Line struct {
	// Source is the own address to send from. It decides on the family of addresses as well.
	Source netip.Addr
	// Interface is the name of the one to send and receive over (SO_BINDTODEVICE); Linux only.
	Interface string
	// Mark is put on every packet (SO_MARK), for the system's rules of routing to go by; Linux only, and it needs the
	// capability CAP_NET_ADMIN.
	Mark uint32
}

// maxInterface is the length of an interface's name, in bytes (IFNAMSIZ without its final zero).
const maxInterface = 15

func (l *Line) check(f Family) error {
	switch {
	case len(l.Interface) > maxInterface:
		return fmt.Errorf("interface name %s is longer than %d bytes", quote(l.Interface), maxInterface)
	case (l.Interface != "" || l.Mark != 0) && !canBind:
		return errors.New("interface and mark can be chosen on Linux only")
	case l.Source.IsValid() && f != AnyFamily && l.Source.Is4() != (f == IPv4):
		return fmt.Errorf("source address %s is not of the family IPv%d", l.Source, f)
	}
	return nil
}

// lineError is a choice of the line that the system has refused.
type lineError struct {
	what string
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("%s: %s", e.what, reason(e.err)) }
func (e *lineError) Unwrap() error { return e.err }
