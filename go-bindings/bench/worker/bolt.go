package main

import (
	"encoding/binary"
	"path/filepath"

	"go.etcd.io/bbolt"
)

const (
	// Key of an attempt in lnkeep: namespace, then the id big-endian (docs/format.md, attempts).
	keyBytes = 24
	// Envelope, fixed fields, fingerprint and payment hash of a record in state intent (same place).
	valueBytes = 6 + 48 + 32 + 32
)

var bucketName = []byte("attempts")

func rowKey(id uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, keyBytes-8, keyBytes), id)
}

func rowValue(id uint64, length int) []byte {
	value := make([]byte, length)
	for i := range value {
		value[i] = byte(id)
	}
	return value
}

// openDB opens bbolt with the options of lnd: the list of free pages is a map and is not flushed.
func openDB(path string) *bbolt.DB {
	options := &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}
	db, err := bbolt.Open(path, 0o600, options)
	must(err)
	return db
}

// createRows opens bbolt with the bucket of the rows.
func createRows(path string) *bbolt.DB {
	db := openDB(path)
	must(db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	}))
	return db
}

// each calls do with the bucket and every id from first to last in transactions of fillRows.
func each(db *bbolt.DB, first, last uint64, do func(bucket *bbolt.Bucket, id uint64) error) error {
	for ; first <= last; first += fillRows {
		err := db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketName)
			for id := first; id <= min(last, first+fillRows-1); id++ {
				if err := do(bucket, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func putIntent(bucket *bbolt.Bucket, id uint64) error {
	return bucket.Put(rowKey(id), rowValue(id, valueBytes))
}

// openBolt opens the contestants of bbolt: a transaction for each row, and Batch with its defaults,
// which is what lnd calls.
func openBolt(own func(string) string, rows uint64) []contestant {
	return []contestant{
		boltContestant("bbolt_update", own, rows, (*bbolt.DB).Update),
		boltContestant("bbolt_batch", own, rows, (*bbolt.DB).Batch),
	}
}

type committer func(*bbolt.DB, func(*bbolt.Tx) error) error

func boltContestant(
	name string, own func(string) string, rows uint64, commit committer,
) contestant {
	db := createRows(filepath.Join(own(name), "rows.db"))
	must(each(db, 1, rows, putIntent))
	put := func(id uint64) error {
		return commit(db, func(tx *bbolt.Tx) error {
			return putIntent(tx.Bucket(bucketName), id)
		})
	}
	return contestant{name: name, perCall: 1, put: put, stop: db.Close}
}
