package channel

import (
	"errors"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// Load reads a channel from a store: its snapshot, and the updates after it. nil when there is none
// yet.
func Load(monitors *lnkeep.Monitors, id lnkeep.ChannelID) (*State, lnkeep.Damage, error) {
	stored, err := monitors.Load(id)
	if errors.Is(err, lnkeep.ErrUnknownChannel) {
		return nil, lnkeep.DamageNone, nil
	}
	if err != nil || stored.Channel.Damage != lnkeep.DamageNone {
		return nil, damageOf(stored), err
	}
	state, err := ParseSnapshot(stored.Snapshot)
	if err != nil {
		return nil, lnkeep.DamageNone, err
	}
	for _, update := range stored.Updates {
		change, err := ParseChange(update.Update)
		if err == nil {
			err = state.Apply(change)
		}
		if err != nil {
			return nil, lnkeep.DamageNone, err
		}
	}
	if state.Number != stored.Channel.LatestUpdateID {
		return nil, lnkeep.DamageNone, errForeign
	}
	return state, lnkeep.DamageNone, nil
}

func damageOf(stored *lnkeep.Monitor) lnkeep.Damage {
	if stored == nil {
		return lnkeep.DamageNone
	}
	return stored.Channel.Damage
}

// LoadManager reads the manager; nil when none was stored yet.
func LoadManager(monitors *lnkeep.Monitors) (*Manager, error) {
	body, err := monitors.Manager()
	if err != nil || body == nil {
		return nil, err
	}
	return ParseManager(body)
}
