package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	pagePayments = 100
	// Most payments that one page of a list of all holds, as in lnkeep.
	pagePaymentsMax = 1000
	// Payments that have several attempts, for each number of attempts.
	samples = 64
	// Attempts that are read while fetches are timed.
	attemptsRead = 40_000
	// Ids of these payments and attempts lie beyond those of all others.
	firstSampleID = 1 << 40
)

// towerMillion is a million payments, phase by phase; benches/compare/payments_million.c has the same
// phases with lnkeep.
type towerMillion struct {
	path       string
	tower      *tower
	payments   uint64
	memoryMost uint64
}

func (m *towerMillion) isUnfinished(id uint64) bool { return id%(m.payments/unfinished) == 0 }

// phase is the phase of a name, nil if there is none.
func (m *towerMillion) phase(name string) func(uint64) (time.Duration, uint64, error) {
	own, found := strings.CutPrefix(name, "payments_")
	if !found {
		return nil
	}
	return map[string]func(uint64) (time.Duration, uint64, error){
		"insert":       timed(m.insert),
		"attach":       timed(m.attach),
		"open":         m.reopen,
		"unfinished":   timed(m.unfinished),
		"start":        m.start,
		"first_pages":  timed(m.pages(func(uint64) (uint64, bool) { return 0, false })),
		"middle_pages": timed(m.pages(m.middle)),
		"newest_pages": timed(m.pages(func(uint64) (uint64, bool) { return m.payments + 1, true })),
		"list_all":     timed(m.listAll),
		"memory":       timed(m.memory),
		"memory_peak":  timed(func(uint64) (uint64, error) { return m.memoryMost, nil }),
		"mapped":       timed(func(uint64) (uint64, error) { return statusBytes("RssFile") }),
		"make_samples": timed(m.makeSamples),
		"fetch":        timed(m.fetchSamples),
		"fetch_any":    timed(m.fetchAny),
		"size":         timed(m.sizeOnDisk),
	}[own]
}

func timed(work func(uint64) (uint64, error)) func(uint64) (time.Duration, uint64, error) {
	return func(count uint64) (time.Duration, uint64, error) {
		started := time.Now()
		figure, err := work(count)
		return time.Since(started), figure, err
	}
}

func (m *towerMillion) open() error {
	if m.tower != nil {
		return nil
	}
	var err error
	m.tower, err = openTower(filepath.Join(m.path, "payments-million.db"), (*bbolt.DB).Update)
	return err
}

func (m *towerMillion) close() error {
	if m.tower == nil {
		return nil
	}
	err := m.tower.db.Close()
	m.tower = nil
	return err
}

func (m *towerMillion) insert(count uint64) (uint64, error) {
	m.payments = count
	return count, m.tower.finishAll(count, func(id uint64) bool { return !m.isUnfinished(id) })
}

// attach goes on with a file that an earlier worker filled.
func (m *towerMillion) attach(count uint64) (uint64, error) {
	m.payments = count
	return count, nil
}

// reopen opens the file as lnd does: the buckets are there, nothing is written.
func (m *towerMillion) reopen(uint64) (time.Duration, uint64, error) {
	if err := m.tower.db.Close(); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	m.tower.db = openDB(filepath.Join(m.path, "payments-million.db"))
	return time.Since(started), 1, nil
}

func (m *towerMillion) start(uint64) (time.Duration, uint64, error) {
	opening, _, err := m.reopen(0)
	if err != nil {
		return 0, 0, err
	}
	started := time.Now()
	found, err := m.unfinished(0)
	return opening + time.Since(started), found, err
}

// unfinished decodes every payment ever made, as lnd does.
func (m *towerMillion) unfinished(uint64) (uint64, error) {
	var found []*payment
	err := m.tower.db.View(func(tx *bbolt.Tx) error {
		root := tx.Bucket(paymentsRootBucket)
		return root.ForEachBucket(func(hash []byte) error {
			p, err := fetchPayment(root.Bucket(hash))
			if err == nil && !p.isTerminated() {
				found = append(found, p)
			}
			return err
		})
	})
	if err == nil && len(found) != unfinished {
		err = fmt.Errorf("%d payments are unfinished, not %d", len(found), unfinished)
	}
	return uint64(len(found)), err
}

// page is one page of payments after an offset, or before it.
func (m *towerMillion) page(offset uint64, reversed bool, most int) ([]*payment, error) {
	page := make([]*payment, 0, most)
	err := m.tower.db.View(func(tx *bbolt.Tx) error {
		root := tx.Bucket(paymentsRootBucket)
		cursor := tx.Bucket(paymentsIndexBucket).Cursor()
		step := cursor.Next
		key, entry := cursor.Seek(binary.BigEndian.AppendUint64(nil, offset))
		switch {
		case reversed && key == nil:
			step = cursor.Prev
			key, entry = cursor.Last()
		case reversed:
			step = cursor.Prev
			key, entry = step()
		case key != nil && binary.BigEndian.Uint64(key) == offset:
			key, entry = step()
		}
		for ; key != nil && len(page) < most; key, entry = step() {
			p, err := fetchPayment(root.Bucket(entry[2:]))
			if err != nil {
				return err
			}
			page = append(page, p)
		}
		return nil
	})
	return page, err
}

func (m *towerMillion) middle(turn uint64) (uint64, bool) {
	return 1 + scatter(turn)%(m.payments-pagePayments), false
}

// pages reads as many pages as it is told, each from the place of its turn.
func (m *towerMillion) pages(
	place func(turn uint64) (offset uint64, reversed bool),
) func(uint64) (uint64, error) {
	return func(count uint64) (uint64, error) {
		for turn := range count {
			offset, reversed := place(turn)
			page, err := m.page(offset, reversed, pagePayments)
			if err != nil {
				return 0, err
			}
			if len(page) != pagePayments || len(page[0].attempts) != 1 {
				return 0, fmt.Errorf("a page of %d payments", len(page))
			}
		}
		return count, nil
	}
}

// listAll reads every payment with its attempts, page by page.
func (m *towerMillion) listAll(uint64) (uint64, error) {
	m.memoryMost = 0
	found, last := uint64(0), uint64(0)
	for {
		page, err := m.page(last, false, pagePaymentsMax)
		if err != nil {
			return 0, err
		}
		if len(page) == 0 {
			break
		}
		found += uint64(len(page))
		last = page[len(page)-1].sequence
		held, err := statusBytes("RssAnon")
		if err != nil {
			return 0, err
		}
		m.memoryMost = max(m.memoryMost, held)
	}
	if found < m.payments {
		return 0, fmt.Errorf("%d payments were listed, not %d", found, m.payments)
	}
	return found, nil
}

// memory is what the process holds, without garbage and without the file that it maps.
func (m *towerMillion) memory(uint64) (uint64, error) {
	debug.FreeOSMemory()
	return statusBytes("RssAnon")
}

// statusBytes is a field of /proc/self/status, which is in KiB.
func statusBytes(name string) (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			var kib uint64
			_, err := fmt.Sscan(rest, &kib)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", name)
}

func firstSample(parts uint64) uint64 { return firstSampleID + parts<<20 }

// makeSamples makes payments with so many attempts, all settled.
func (m *towerMillion) makeSamples(parts uint64) (uint64, error) {
	for sample := range uint64(samples) {
		id, attempts := firstSample(parts)+sample, firstSample(parts)<<10+sample*fillRows
		sequence, err := m.tower.nextSequence()
		if err != nil {
			return 0, err
		}
		err = m.tower.db.Update(func(tx *bbolt.Tx) error {
			return putParts(tx, id, sequence, attempts, parts)
		})
		if err != nil {
			return 0, err
		}
	}
	return samples, nil
}

func putParts(tx *bbolt.Tx, id, sequence, attempts, parts uint64) error {
	if err := putInit(tx, id, sequence); err != nil {
		return err
	}
	for attempt := attempts; attempt < attempts+parts; attempt++ {
		if err := putRegister(tx, id, attempt, parts); err != nil {
			return err
		}
		if err := putRecord(tx, attempt); err != nil {
			return err
		}
	}
	for attempt := attempts; attempt < attempts+parts; attempt++ {
		if err := putResult(tx, attempt); err != nil {
			return err
		}
		if err := putSettle(tx, id, attempt); err != nil {
			return err
		}
	}
	return nil
}

func (m *towerMillion) fetch(id, parts uint64) error {
	return m.tower.db.View(func(tx *bbolt.Tx) error {
		bucket, err := paymentBucket(tx, paymentHash(id))
		if err != nil {
			return err
		}
		p, err := fetchPayment(bucket)
		if err == nil && (len(p.attempts) != int(parts) || p.sentMsat != paymentMsat) {
			err = fmt.Errorf("payment %d is not as it was put", id)
		}
		return err
	})
}

func (m *towerMillion) fetchSamples(parts uint64) (uint64, error) {
	turns := attemptsRead / parts
	for turn := range turns {
		if err := m.fetch(firstSample(parts)+turn%samples, parts); err != nil {
			return 0, err
		}
	}
	return turns, nil
}

func (m *towerMillion) fetchAny(count uint64) (uint64, error) {
	for turn := range count {
		id := scatter(turn)%m.payments + 1
		if err := m.fetch(id, 1); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (m *towerMillion) sizeOnDisk(uint64) (uint64, error) {
	var file syscall.Stat_t
	err := syscall.Stat(filepath.Join(m.path, "payments-million.db"), &file)
	return uint64(file.Blocks) * 512, err
}
