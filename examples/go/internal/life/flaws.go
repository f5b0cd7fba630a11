package life

import (
	"context"

	"github.com/lnkeep/lnkeep/examples/go/internal/channel"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// flaws are the negative controls of the channel. Nothing to start from.
type flaws struct {
	// sendsEarly: messages leave when the channel changes, and not after its commit.
	sendsEarly bool
	// commitsApart: the manager in one commit and the channel in another, and the manager does not
	// carry what is in flight. spare is a capture that covers nothing, for the manager alone.
	commitsApart     bool
	spare, nextSpare *lnkeep.Capture
	// acknowledgesEarly: notices are acknowledged, and told only after the commit that forgets them:
	// those before the last commit, and those since.
	acknowledgesEarly bool
	held              [2][]wire.Notice
}

func (c *committer) captureSpare() error {
	capture, err := c.monitors.Capture()
	c.flaws.nextSpare = &capture
	return err
}

// commitManager answers what is left for the other commit. The first one of a life has both.
func (c *committer) commitManager(
	ctx context.Context, checkpoint lnkeep.Checkpoint,
) (lnkeep.Checkpoint, error) {
	capture := c.flaws.spare
	c.flaws.spare = c.flaws.nextSpare
	if capture == nil {
		return checkpoint, nil
	}
	manager := channel.Manager{Number: checkpoint.View[ChannelID()]}
	_, err := c.monitors.Commit(ctx, *capture, lnkeep.Checkpoint{Manager: manager.Bytes()})
	return lnkeep.Checkpoint{}, err
}

func (c *committer) tellHeld() error {
	for _, notice := range c.flaws.held[0] {
		err := c.node.tell(wire.Report{Kind: wire.ReportNotice, Notice: notice})
		if err != nil {
			return err
		}
	}
	c.flaws.held = [2][]wire.Notice{c.flaws.held[1], nil}
	return nil
}
