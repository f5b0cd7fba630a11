package world

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

// NodeArgument, then directory, epoch and the step to break, makes this program the node. Its
// three connections are inherited.
const (
	NodeArgument         = "--node"
	ClientDescriptor     = 3
	PeerDescriptor       = 4
	NeighboursDescriptor = 5
)

// process is one node, as a process of its own, with the goroutines that carry its messages.
type process struct {
	command *exec.Cmd
	client  *wire.Client[wire.Report, wire.Order]
	peer    *wire.Peer
	// neighbours are those of HTLCs of others.
	neighbours *wire.Client[forward.Report, forward.Order]
	// reports, htlcs and forwards are what the node sent; closed when it sends no more, also because it
	// died. What a dead node had sent is still in the sockets, and it counts: it had left the
	// node.
	reports  chan wire.Report
	htlcs    chan lnwire.Message
	forwards chan forward.Report
	// orders, answers and offers are on their way to the node; closed when it is to end.
	orders  chan wire.Order
	answers chan lnwire.Message
	offers  chan forward.Order
	carry   sync.WaitGroup
	// clientFault, peerFault and neighboursFault are why reports, htlcs and forwards were closed,
	// nil when the node just sends no more; set before that.
	clientFault, peerFault, neighboursFault error
	// killAfterReport: the node is killed when its next acknowledgement arrives.
	killAfterReport, killed atomic.Bool
}

// queueMax is more than ever waits: openMax orders, some twice, and answers to their HTLCs.
const queueMax = 4 * openMax

// startNode starts this program again as the node.
func startNode(options Options, epoch uint64) (*process, error) {
	clientConn, clientFile, err := wire.SocketPair()
	if err != nil {
		return nil, err
	}
	defer clientFile.Close()
	peerConn, peerFile, err := wire.SocketPair()
	if err != nil {
		return nil, errors.Join(err, clientConn.Close())
	}
	defer peerFile.Close()
	neighboursConn, neighboursFile, err := wire.SocketPair()
	if err != nil {
		return nil, errors.Join(err, clientConn.Close(), peerConn.Close())
	}
	defer neighboursFile.Close()
	p := &process{
		client: wire.NewClient[wire.Report, wire.Order](clientConn), peer: wire.NewPeer(peerConn),
		neighbours: wire.NewClient[forward.Report, forward.Order](neighboursConn),
		forwards:   make(chan forward.Report, queueMax), offers: make(chan forward.Order, queueMax),
		reports: make(chan wire.Report, queueMax), htlcs: make(chan lnwire.Message, queueMax),
		orders: make(chan wire.Order, queueMax), answers: make(chan lnwire.Message, queueMax),
	}
	p.command = exec.Command(options.Program, NodeArgument, options.Directory,
		strconv.FormatUint(epoch, 10), options.Sabotage)
	p.command.Stderr = os.Stderr
	// Descriptors 3 to 5 of the child.
	p.command.ExtraFiles = []*os.File{clientFile, peerFile, neighboursFile}
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(err, p.client.Close(), p.peer.Close(), p.neighbours.Close())
	}
	p.carry.Go(p.carryReports)
	p.carry.Go(p.carryHTLCs)
	p.carry.Go(p.carryOrders)
	p.carry.Go(p.carryAnswers)
	p.carry.Go(p.carryForwards)
	p.carry.Go(p.carryOffers)
	return p, nil
}

func (p *process) carryReports() {
	defer close(p.reports)
	for {
		report, err := p.client.Receive()
		if err != nil {
			p.clientFault = fault(err)
			return
		}
		// Here and not where reports are read: nothing acknowledged too early gets time to
		// become durable.
		if p.killAfterReport.Load() && isAcknowledgement(report) {
			p.kill()
		}
		p.reports <- report
	}
}

// fault is nil for the errors that a dead node leaves behind. What else cannot be read must not
// pass for the end: it may have been an HTLC.
func fault(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

func isAcknowledgement(report wire.Report) bool {
	return report.Kind == wire.ReportOrder || report.Kind == wire.ReportEnded
}

func (p *process) carryHTLCs() {
	defer close(p.htlcs)
	for {
		msg, err := p.peer.Receive()
		if err != nil {
			p.peerFault = fault(err)
			return
		}
		p.htlcs <- msg
	}
}

// carryForwards takes a durable decision for an acknowledgement, too.
func (p *process) carryForwards() {
	defer close(p.forwards)
	for {
		report, err := p.neighbours.Receive()
		if err != nil {
			p.neighboursFault = fault(err)
			return
		}
		if p.killAfterReport.Load() && report.Durable {
			p.kill()
		}
		p.forwards <- report
	}
}

// carryOrders, carryAnswers and carryOffers drop what a dead node cannot take any more; it comes again.
func (p *process) carryOrders() {
	for order := range p.orders {
		_ = p.client.Send(order)
	}
	_ = p.client.CloseWrite()
}

func (p *process) carryAnswers() {
	for answer := range p.answers {
		_ = p.peer.Send(answer)
	}
}

func (p *process) carryOffers() {
	for offer := range p.offers {
		_ = p.neighbours.Send(offer)
	}
	_ = p.neighbours.CloseWrite()
}

func (p *process) kill() {
	p.killed.Store(true)
	_ = p.command.Process.Kill()
}

// end waits for the process and its goroutines; what the node sent was read to its end.
func (p *process) end(toldToEnd bool) error {
	if !toldToEnd {
		p.close()
	}
	err := p.command.Wait()
	p.carry.Wait()
	return errors.Join(err, p.client.Close(), p.peer.Close(), p.neighbours.Close())
}

// close tells the node that no more orders come; the node then ends its connections.
func (p *process) close() {
	close(p.orders)
	close(p.answers)
	close(p.offers)
}

// offer puts a value into a queue unless that is full.
func offer[T any](queue chan<- T) func(T) bool {
	return func(value T) bool {
		select {
		case queue <- value:
			return true
		default:
			return false
		}
	}
}
