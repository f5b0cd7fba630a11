package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	unfinished = 100
	// Of ten finished attempts nine are deleted, spread evenly.
	keptOf = 10
	// Record of a settled attempt in lnkeep: as in state intent, and a result with the preimage and an
	// update_fulfill_htlc of 74 bytes (docs/format.md, attempts; BOLT 2).
	finishedBytes = valueBytes + 4 + 32 + 4 + 74
	// Bytes of one transaction while a database is compacted, as lnd sets it.
	compactTxBytes = 65536
)

// million is a million attempts in one bucket, phase by phase; benches/compare/million.c has the
// same phases with lnkeep. The first byte of a value is the attempt's state.
type million struct {
	path     string
	db       *bbolt.DB
	attempts uint64
	extra    uint64
}

const (
	statePending  = 1
	stateFinished = 3
)

func (m *million) isPending(id uint64) bool { return id%(m.attempts/unfinished) == 0 }

// run runs a phase and answers how long it took and its figure.
func (m *million) run(name string, count uint64) (time.Duration, uint64) {
	if m.db == nil {
		m.db = createRows(m.path)
	}
	phases := map[string]func(uint64) (time.Duration, uint64, error){
		"insert":  m.insert,
		"open":    m.reopen,
		"commit":  m.loneCommit,
		"get":     m.get,
		"list":    m.list,
		"delete":  m.deleteMost,
		"size":    m.sizeOnDisk,
		"compact": m.compact,
	}
	phase := phases[name]
	if phase == nil {
		log.Fatalf("there is no phase %q", name)
	}
	took, figure, err := phase(count)
	must(err)
	return took, figure
}

func (m *million) close() error {
	if m.db == nil {
		return nil
	}
	return m.db.Close()
}

// record is an attempt's value, with its amount so that a get can check what it found.
func record(id uint64, state byte) []byte {
	length := valueBytes
	if state == stateFinished {
		length = finishedBytes
	}
	value := rowValue(id, length)
	value[0] = state
	binary.BigEndian.PutUint64(value[8:], 1000+id)
	return value
}

func (m *million) insert(count uint64) (time.Duration, uint64, error) {
	m.attempts, m.extra = count, count
	intend := func(bucket *bbolt.Bucket, id uint64) error {
		return bucket.Put(rowKey(id), record(id, statePending))
	}
	finish := func(bucket *bbolt.Bucket, id uint64) error {
		if m.isPending(id) {
			return nil
		}
		return bucket.Put(rowKey(id), record(id, stateFinished))
	}
	started := time.Now()
	for first := uint64(1); first <= count; first += fillRows {
		last := min(count, first+fillRows-1)
		if err := each(m.db, first, last, intend); err != nil {
			return 0, 0, err
		}
		if err := each(m.db, first, last, finish); err != nil {
			return 0, 0, err
		}
	}
	return time.Since(started), count, nil
}

func (m *million) reopen(uint64) (time.Duration, uint64, error) {
	if err := m.db.Close(); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	m.db = openDB(m.path)
	return time.Since(started), 1, nil
}

// loneCommit times one durable intent, which is finished afterwards so that the unfinished stay as
// many.
func (m *million) loneCommit(uint64) (time.Duration, uint64, error) {
	m.extra++
	put := func(state byte) error {
		return m.db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketName).Put(rowKey(m.extra), record(m.extra, state))
		})
	}
	started := time.Now()
	err := put(statePending)
	took := time.Since(started)
	if err == nil {
		err = put(stateFinished)
	}
	return took, 1, err
}

// scatter gives the same number in every run, spread over all ids.
func scatter(number uint64) uint64 {
	z := number + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (m *million) get(count uint64) (time.Duration, uint64, error) {
	started := time.Now()
	for turn := range count {
		id := scatter(turn)%m.attempts + 1
		err := m.db.View(func(tx *bbolt.Tx) error {
			value := tx.Bucket(bucketName).Get(rowKey(id))
			if len(value) < valueBytes || binary.BigEndian.Uint64(value[8:]) != 1000+id {
				return fmt.Errorf("attempt %d is not as it was put", id)
			}
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return time.Since(started), count, nil
}

// list looks at every record, as lnd's key-value store does for the payments in flight.
func (m *million) list(uint64) (time.Duration, uint64, error) {
	started := time.Now()
	found := uint64(0)
	err := m.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketName).ForEach(func(_, value []byte) error {
			if value[0] == statePending {
				found++
			}
			return nil
		})
	})
	took := time.Since(started)
	if err == nil && found != unfinished {
		err = fmt.Errorf("%d attempts are unfinished, not %d", found, unfinished)
	}
	return took, found, err
}

func (m *million) deleteMost(uint64) (time.Duration, uint64, error) {
	deleted := uint64(0)
	started := time.Now()
	err := each(m.db, 1, m.attempts, func(bucket *bbolt.Bucket, id uint64) error {
		if id%keptOf == 0 || m.isPending(id) {
			return nil
		}
		deleted++
		return bucket.Delete(rowKey(id))
	})
	return time.Since(started), deleted, err
}

// sizeOnDisk is what the file takes.
func (m *million) sizeOnDisk(uint64) (time.Duration, uint64, error) {
	var file syscall.Stat_t
	err := syscall.Stat(m.path, &file)
	return 0, uint64(file.Blocks) * 512, err
}

// compact closes the database, copies it and opens the copy in its place, as lnd does at a start.
func (m *million) compact(uint64) (time.Duration, uint64, error) {
	if err := m.db.Close(); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	source, copied := openDB(m.path), openDB(m.path+".compact")
	if err := bbolt.Compact(copied, source, compactTxBytes); err != nil {
		return 0, 0, err
	}
	if err := copied.Close(); err != nil {
		return 0, 0, err
	}
	if err := source.Close(); err != nil {
		return 0, 0, err
	}
	if err := os.Rename(m.path+".compact", m.path); err != nil {
		return 0, 0, err
	}
	m.db = openDB(m.path)
	return time.Since(started), 1, nil
}
