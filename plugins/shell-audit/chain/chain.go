// Package chain makes what was audited tamper-evident: each link's MAC covers the link before, under a key that evolves
// and whose past is wiped.
//
//	mac(i) = HMAC-SHA256(k(e), mac(i-1) || i || e || kind || canonical bytes)
//	k(e+1) = SHA-256(k(e) || "vedette audit chain, next epoch")
//
// What it promises:
//
//   - Who takes over the host can stop the chain or lie from then on. He can not change, delete, insert or reorder what
//     was linked in earlier epochs without Verify naming the place: the keys for it are no more on the host. (They are
//     overwritten in their file; a disk that copies on write may keep them, and a process's memory may be read before.)
//   - A key is durable before a link made with it exists, and what is linked with an old key is durable before that one
//     is wiped. So after any end of the process or the machine the chain goes on where the journal ends: no number that
//     left the host is given again. Where the journal itself was lost, numbers are left out, and Verify names them.
//   - Verify needs k(0), which Create returns once and which is kept elsewhere. Without it nobody can verify, neither on
//     the host: what could verify there could forge. And the end of a chain can only be missed against a checkpoint
//     that was stored elsewhere.
package chain

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
)

const (
	// LinksPerEpoch and EpochTime are when the key is due to evolve.
	LinksPerEpoch = 1000
	EpochTime     = time.Minute
	// mostLinks is when it must.
	mostLinks = 2 * LinksPerEpoch
)

// MAC is a link's.
type MAC [sha256.Size]byte

func (m MAC) String() string { return hex.EncodeToString(m[:]) }

// ParseMAC reads what String has written.
func ParseMAC(s string) (m MAC, err error) {
	if n, err := hex.Decode(m[:], []byte(s[:min(len(s), 2*len(m))])); err != nil || n != len(m) || len(s) != 2*len(m) {
		return MAC{}, fmt.Errorf("%.80q is no MAC: it has %d hexadecimal digits", s, 2*len(m))
	}
	return m, nil
}

// Key is the first key of a chain.
type Key [sha256.Size]byte

// String is how people keep a key: with four digits at its end that find a slip.
func (k Key) String() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(k[:]) + hex.EncodeToString(sum[:2])
}

// ParseKey reads what String has written; blanks do not count.
func ParseKey(s string) (k Key, err error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) != len(k)+2 {
		return Key{}, fmt.Errorf("this is no key of a chain: it has %d hexadecimal digits", 2*(len(k)+2))
	}
	copy(k[:], b)
	if sum := sha256.Sum256(k[:]); sum[0] != b[len(k)] || sum[1] != b[len(k)+1] {
		return Key{}, errors.New("a digit of this key is wrong: its last four do not fit the others")
	}
	return k, nil
}

func (k *Key) evolve() {
	*k = sha256.Sum256(append(k[:], "vedette audit chain, next epoch"...))
}

// Point is a place in a chain: the last link up to there.
type Point struct {
	Seq   uint64
	Epoch uint64 // the one in which the next link is made
	MAC   MAC
}

// Link is one link with what it covers.
type Link struct {
	Seq   uint64
	Kind  Kind
	Bytes []byte // the canonical bytes
	MAC   MAC
}

// maker makes MACs under the keys of a chain.
type maker struct {
	key  Key
	at   Point
	hmac hash.Hash
}

func newMaker(key Key, at Point) *maker {
	return &maker{key: key, at: at, hmac: hmac.New(sha256.New, key[:])}
}

// link moves to the link seq.
func (m *maker) link(seq uint64, kind Kind, canonical []byte) {
	var head [17]byte
	binary.BigEndian.PutUint64(head[:], seq)
	binary.BigEndian.PutUint64(head[8:], m.at.Epoch)
	head[16] = byte(kind)
	m.hmac.Reset()
	m.hmac.Write(m.at.MAC[:])
	m.hmac.Write(head[:])
	m.hmac.Write(canonical)
	m.hmac.Sum(m.at.MAC[:0])
	m.at.Seq = seq
}

func (m *maker) evolve() {
	m.key.evolve()
	m.at.Epoch++
	m.hmac = hmac.New(sha256.New, m.key[:])
}

// Chain is the end of a chain, to which links are added. It is for one goroutine.
type Chain struct {
	*maker
	state  *stateFile
	begun  uint64 // the last link of the epoch before
	evolve time.Time
	failed error // after which nothing may be linked before the chain is opened again
}

// Create begins a chain whose state is kept in the file path, which must not be there. The key is for the operator to
// keep elsewhere: it can not be had again.
func Create(path string) (*Chain, Key, error) {
	var key Key
	_, _ = rand.Read(key[:]) // never fails
	s, err := createState(path, state{key: key})
	if err != nil {
		return nil, Key{}, fmt.Errorf("create chain: %w", err)
	}
	return &Chain{maker: newMaker(key, Point{}), state: s, evolve: time.Now().Add(EpochTime)}, key, nil
}

// Resumed says how a chain went on.
type Resumed struct {
	// Pending is the row of a link that was made and is not in the journal: it must be appended before anything else.
	Pending *Row
	// Lost is how many numbers are left out, because the journal does not reach to where the chain has been.
	Lost uint64
}

// Open goes on with the chain in path behind tail, the last link in the journal. Where that is the epoch link that
// ends an epoch, tail.Epoch is the new one.
func Open(path string, tail Point) (*Chain, Resumed, error) {
	s, err := openState(path)
	if err != nil {
		return nil, Resumed{}, fmt.Errorf("open chain: %w", err)
	}
	st := s.state
	c := &Chain{state: s, begun: st.at.Seq, evolve: time.Now().Add(EpochTime)}
	var how Resumed
	older := false
	switch {
	case tail.Seq >= st.at.Seq && tail.Epoch >= st.at.Epoch:
		for st.at.Epoch < tail.Epoch { // the state is older than the journal: keys can be made, only not unmade
			st.key.evolve()
			st.at.Epoch++
			c.begun, older = tail.Seq, true
		}
		st.at = tail
	case tail.Seq+1 == st.at.Seq && tail.Epoch+1 == st.at.Epoch:
		row := epochRow(st.at, st.time)
		how.Pending = &row
	case tail.Seq < st.at.Seq:
		// At most mostLinks were made since; none of their numbers comes again.
		how.Lost = st.at.Seq + mostLinks - tail.Seq
		st.at.Seq += mostLinks
		c.begun = st.at.Seq
	default:
		_ = s.f.Close()
		return nil, Resumed{}, fmt.Errorf("open chain %s: it is in epoch %d at link %d, and the journal ends with link %d in epoch %d: "+
			"they are of two chains; restore the one that belongs to the other, or move both away to begin a new chain",
			path, st.at.Epoch, st.at.Seq, tail.Seq, tail.Epoch)
	}
	c.maker = newMaker(st.key, st.at)
	clear(st.key[:])
	if how.Lost > 0 || older {
		// This is durable before a link behind it: a later loss is counted from here.
		if err := s.save(state{key: c.key, at: c.at, time: st.time}); err != nil {
			_ = s.f.Close()
			return nil, Resumed{}, fmt.Errorf("open chain: %w", err)
		}
	}
	return c, how, nil
}

// Head returns the last link: what a checkpoint says.
func (c *Chain) Head() Point { return c.at }

// ErrEpochFull is the error of Add when the key was due to evolve long ago.
var ErrEpochFull = errors.New("the chain's key must evolve first")

// Add adds a link over the canonical bytes.
func (c *Chain) Add(kind Kind, canonical []byte) (Point, error) {
	if c.failed != nil {
		return Point{}, c.failed
	}
	if c.at.Seq-c.begun >= mostLinks-1 { // the last one is that of Evolve
		return Point{}, ErrEpochFull
	}
	c.link(c.at.Seq+1, kind, canonical)
	return c.at, nil
}

// Due says whether the key is due to evolve: after LinksPerEpoch links, or EpochTime if there is any.
func (c *Chain) Due(now time.Time) bool {
	n := c.at.Seq - c.begun
	return n >= LinksPerEpoch || n > 0 && !now.Before(c.evolve)
}

// Evolve ends the epoch with a link of its own, and wipes its key. All links so far must be durable: durable is the last
// one that is. The row that it returns, which has the time at, must be appended to the journal before anything else; if
// the process ends before, Open returns it again.
func (c *Chain) Evolve(at time.Time, durable uint64) (Row, error) {
	if c.failed != nil {
		return Row{}, c.failed
	}
	if durable < c.at.Seq {
		return Row{}, fmt.Errorf("evolve the chain's key: link %d is not durable yet, the last that is is %d", c.at.Seq, durable)
	}
	next := *c.maker
	row := epochRow(Point{Epoch: c.at.Epoch + 1}, at.UnixNano())
	next.link(c.at.Seq+1, Epoch, row.Canonical(nil, Epoch))
	next.evolve()
	if err := c.state.save(state{key: next.key, at: next.at, time: at.UnixNano()}); err != nil {
		// Nobody knows which of the two keys will be there.
		c.failed = fmt.Errorf("evolve the chain's key: %w; open the chain again", err)
		return Row{}, c.failed
	}
	clear(c.key[:])
	*c.maker = next
	c.begun, c.evolve = c.at.Seq, time.Now().Add(EpochTime)
	return epochRow(c.at, at.UnixNano()), nil
}

// Close lets the state's file go.
func (c *Chain) Close() error {
	clear(c.key[:])
	if err := c.state.f.Close(); err != nil {
		return fmt.Errorf("close chain: %w", err)
	}
	return nil
}
