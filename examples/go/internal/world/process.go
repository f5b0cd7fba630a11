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
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

// NodeArgument, then directory, epoch and the step to break, makes this program the node. Its
// two connections are inherited.
const (
	NodeArgument     = "--node"
	ClientDescriptor = 3
	PeerDescriptor   = 4
)

// process is one node, as a process of its own, with the goroutines that carry its messages.
type process struct {
	command *exec.Cmd
	client  *wire.Client[wire.Report, wire.Order]
	peer    *wire.Peer
	// reports and htlcs are what the node sent; closed when it sends no more, also because it
	// died. What a dead node had sent is still in the sockets, and it counts: it had left the
	// node.
	reports chan wire.Report
	htlcs   chan lnwire.Message
	// orders and answers are on their way to the node; closed when it is to end.
	orders  chan wire.Order
	answers chan lnwire.Message
	carry   sync.WaitGroup
	// clientFault and peerFault are why reports and htlcs were closed, nil when the node just
	// sends no more; set before that.
	clientFault, peerFault error
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
	p := &process{
		client: wire.NewClient[wire.Report, wire.Order](clientConn), peer: wire.NewPeer(peerConn),
		reports: make(chan wire.Report, queueMax), htlcs: make(chan lnwire.Message, queueMax),
		orders: make(chan wire.Order, queueMax), answers: make(chan lnwire.Message, queueMax),
	}
	p.command = exec.Command(options.Program, NodeArgument, options.Directory,
		strconv.FormatUint(epoch, 10), options.Sabotage)
	p.command.Stderr = os.Stderr
	// Descriptors 3 and 4 of the child.
	p.command.ExtraFiles = []*os.File{clientFile, peerFile}
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(err, p.client.Close(), p.peer.Close())
	}
	p.carry.Go(p.carryReports)
	p.carry.Go(p.carryHTLCs)
	p.carry.Go(p.carryOrders)
	p.carry.Go(p.carryAnswers)
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

// carryOrders and carryAnswers drop what a dead node cannot take any more; it comes again.
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

func (p *process) kill() {
	p.killed.Store(true)
	_ = p.command.Process.Kill()
}

// end waits for the process and its goroutines; reports and htlcs were read to their ends.
func (p *process) end(toldToEnd bool) error {
	if !toldToEnd {
		p.close()
	}
	err := p.command.Wait()
	p.carry.Wait()
	return errors.Join(err, p.client.Close(), p.peer.Close())
}

// close tells the node that no more orders come; the node then ends both connections.
func (p *process) close() {
	close(p.orders)
	close(p.answers)
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
