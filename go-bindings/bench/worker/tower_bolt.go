package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
)

// What lnd does with its key-value store: every change of a payment is one transaction, and the record
// of its attempt in the store of the switch another one. A payment is read before it is changed, and
// again after that for those who follow it. Attempts have the id of their payment unless it has several.

// tower is bbolt with the buckets of payments and of attempts.
type tower struct {
	db *bbolt.DB
	// commit makes one change durable: Update, or Batch with its defaults, which is what lnd calls.
	commit committer
	// sequences guards last, the last number given of a block that is reserved.
	sequences sync.Mutex
	last      uint64
}

func openTower(path string, commit committer) (*tower, error) {
	t := &tower{db: createRows(path), commit: commit}
	return t, t.db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(paymentsIndexBucket); err != nil {
			return err
		}
		root, err := tx.CreateBucketIfNotExists(paymentsRootBucket)
		if err != nil {
			return err
		}
		t.last = root.Sequence()
		return nil
	})
}

func htlcKey(prefix string, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), id)
}

func paymentBucket(tx *bbolt.Tx, hash [32]byte) (*bbolt.Bucket, error) {
	bucket := tx.Bucket(paymentsRootBucket).Bucket(hash[:])
	if bucket == nil {
		return nil, fmt.Errorf("payment %x is not initiated", hash)
	}
	return bucket, nil
}

func fetchPayment(bucket *bbolt.Bucket) (*payment, error) {
	sequence := bucket.Get(sequenceKey)
	if len(sequence) != 8 {
		return nil, errShort
	}
	info, err := decodeCreationInfo(bucket.Get(creationInfoKey))
	if err != nil {
		return nil, err
	}
	p := &payment{sequence: binary.BigEndian.Uint64(sequence), info: info}
	if htlcs := bucket.Bucket(htlcsBucket); htlcs != nil {
		if p.attempts, err = fetchAttempts(htlcs); err != nil {
			return nil, err
		}
	}
	p.hasReason = bucket.Get(failInfoKey) != nil
	return p, p.sum()
}

func fetchAttempts(htlcs *bbolt.Bucket) ([]htlcAttempt, error) {
	byID := make(map[uint64]*htlcAttempt)
	err := htlcs.ForEach(func(key, value []byte) error {
		id := binary.BigEndian.Uint64(key[len(key)-8:])
		if strings.HasPrefix(string(key), attemptInfoPrefix) {
			a, err := decodeAttemptInfo(id, value)
			byID[id] = a
			return err
		}
		settle, err := decodeSettleInfo(value)
		if byID[id] == nil {
			return fmt.Errorf("attempt %d is not registered", id)
		}
		byID[id].settle = settle
		return err
	})
	return sortedAttempts(byID), err
}

// nextSequence reserves numbers by the thousand, as lnd does.
func (t *tower) nextSequence() (uint64, error) {
	const block = 1000
	t.sequences.Lock()
	defer t.sequences.Unlock()
	t.last++
	if t.last%block != 1 {
		return t.last, nil
	}
	return t.last, t.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(paymentsRootBucket).SetSequence(t.last + block - 1)
	})
}

func putInit(tx *bbolt.Tx, id, sequence uint64) error {
	hash := paymentHash(id)
	bucket, err := tx.Bucket(paymentsRootBucket).CreateBucketIfNotExists(hash[:])
	if err != nil {
		return err
	}
	if bucket.Get(sequenceKey) != nil {
		return fmt.Errorf("payment %x exists", hash)
	}
	key := binary.BigEndian.AppendUint64(nil, sequence)
	// Type of the entry, then the hash behind its length.
	entry := appendSized([]byte{0}, hash[:])
	if err := tx.Bucket(paymentsIndexBucket).Put(key, entry); err != nil {
		return err
	}
	if err := bucket.Put(sequenceKey, key); err != nil {
		return err
	}
	return bucket.Put(creationInfoKey, encodeCreationInfo(hash, id))
}

func putRegister(tx *bbolt.Tx, id, attempt, parts uint64) error {
	bucket, err := paymentBucket(tx, paymentHash(id))
	if err != nil {
		return err
	}
	p, err := fetchPayment(bucket)
	if err != nil {
		return err
	}
	if p.settled > 0 || p.hasReason || p.sentMsat+paymentMsat/parts > p.info.valueMsat {
		return fmt.Errorf("payment %d takes no further attempt", id)
	}
	htlcs, err := bucket.CreateBucketIfNotExists(htlcsBucket)
	if err != nil {
		return err
	}
	err = htlcs.Put(htlcKey(attemptInfoPrefix, attempt), encodeAttemptInfo(attempt, parts))
	if err != nil {
		return err
	}
	_, err = fetchPayment(bucket)
	return err
}

func putSettle(tx *bbolt.Tx, id, attempt uint64) error {
	bucket, err := paymentBucket(tx, paymentHash(id))
	if err != nil {
		return err
	}
	p, err := fetchPayment(bucket)
	if err != nil {
		return err
	}
	htlcs := bucket.Bucket(htlcsBucket)
	if p.isTerminated() || htlcs == nil || htlcs.Get(htlcKey(attemptInfoPrefix, attempt)) == nil {
		return fmt.Errorf("payment %d: attempt %d is not in flight", id, attempt)
	}
	if htlcs.Get(htlcKey(settleInfoPrefix, attempt)) != nil {
		return fmt.Errorf("attempt %d is settled", attempt)
	}
	if err := htlcs.Put(htlcKey(settleInfoPrefix, attempt), encodeSettleInfo(id)); err != nil {
		return err
	}
	_, err = fetchPayment(bucket)
	return err
}

func putRecord(tx *bbolt.Tx, attempt uint64) error {
	bucket := tx.Bucket(bucketName)
	if bucket.Get(rowKey(attempt)) != nil {
		return fmt.Errorf("attempt %d exists", attempt)
	}
	return putIntent(bucket, attempt)
}

func putResult(tx *bbolt.Tx, attempt uint64) error {
	return tx.Bucket(bucketName).Put(rowKey(attempt), record(attempt, stateFinished))
}

func (t *tower) init(id uint64) error {
	sequence, err := t.nextSequence()
	if err != nil {
		return err
	}
	return t.commit(t.db, func(tx *bbolt.Tx) error { return putInit(tx, id, sequence) })
}

// register registers the attempt, then makes its record.
func (t *tower) register(id uint64) error {
	err := t.commit(t.db, func(tx *bbolt.Tx) error { return putRegister(tx, id, id, 1) })
	if err != nil {
		return err
	}
	return t.commit(t.db, func(tx *bbolt.Tx) error { return putRecord(tx, id) })
}

// settle stores the result in the attempt's record, then settles the payment's attempt.
func (t *tower) settle(id uint64) error {
	err := t.commit(t.db, func(tx *bbolt.Tx) error { return putResult(tx, id) })
	if err != nil {
		return err
	}
	return t.commit(t.db, func(tx *bbolt.Tx) error { return putSettle(tx, id, id) })
}

func (t *tower) whole(id uint64) error {
	if err := t.init(id); err != nil {
		return err
	}
	if err := t.register(id); err != nil {
		return err
	}
	return t.settle(id)
}

// many makes payments in one transaction, registered and settled if stage says so.
func (t *tower) many(ids []uint64, stage func(id uint64) stage) error {
	sequences := make([]uint64, len(ids))
	for place := range ids {
		var err error
		if sequences[place], err = t.nextSequence(); err != nil {
			return err
		}
	}
	return t.db.Update(func(tx *bbolt.Tx) error {
		for place, id := range ids {
			if err := putStages(tx, id, sequences[place], stage(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// stage is how far a payment got.
type stage int

const (
	initiated stage = iota
	registered
	settled
)

func putStages(tx *bbolt.Tx, id, sequence uint64, to stage) error {
	if err := putInit(tx, id, sequence); err != nil || to == initiated {
		return err
	}
	if err := putRegister(tx, id, id, 1); err != nil {
		return err
	}
	if err := putRecord(tx, id); err != nil || to == registered {
		return err
	}
	if err := putResult(tx, id); err != nil {
		return err
	}
	return putSettle(tx, id, id)
}
