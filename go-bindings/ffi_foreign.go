package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"encoding/binary"
	"unsafe"
)

// The numbers of backups of other software, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[ForeignTooShort-C.LNKEEP_FOREIGN_TOO_SHORT],
	[1]bool{}[ForeignAuthFailed-C.LNKEEP_FOREIGN_AUTH_FAILED],
	[1]bool{}[ForeignBadPayload-C.LNKEEP_FOREIGN_BAD_PAYLOAD],
	[1]bool{}[ForeignBadVersion-C.LNKEEP_FOREIGN_BAD_VERSION],
	[1]bool{}[ForeignUnknownVersion-C.LNKEEP_FOREIGN_UNKNOWN_VERSION],
	[1]bool{}[CLNChannels-C.LNKEEP_FOREIGN_CLN_CHANNELS],
	[1]bool{}[CLNChannelsWithTLVs-C.LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS],
}

func point(c *[33]C.uint8_t) [33]byte { return *(*[33]byte)(unsafe.Pointer(c)) }

func keyOut(key *Secret) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(key)) }

func cForeignLDKKey(seed *Secret) (key Secret, err error) {
	detail := newError()
	status := C.lnkeep_foreign_ldk_key(secretBytes(seed), keyOut(&key), &detail)
	return key, check("ldk key", status, &detail)
}

func cForeignCLNKey(hsmSecret []byte) (key Secret, err error) {
	detail := newError()
	status := C.lnkeep_foreign_cln_key(view(hsmSecret), keyOut(&key), &detail)
	return key, check("cln key", status, &detail)
}

func cForeignLNDKey(publicKey *[33]byte) (key Secret, err error) {
	detail := newError()
	given := (*C.uint8_t)(unsafe.Pointer(publicKey))
	status := C.lnkeep_foreign_lnd_key(given, keyOut(&key), &detail)
	return key, check("lnd key", status, &detail)
}

func cForeignLDKOpen(key *Secret, blob []byte) (*LDKBackup, error) {
	var opened *C.lnkeep_foreign_ldk
	detail := newError()
	status := C.lnkeep_foreign_ldk_open(secretBytes(key), view(blob), &opened, &detail)
	if err := check("open ldk backup", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_foreign_ldk_free(opened)
	backup := &LDKBackup{Nonce: *(*[12]byte)(unsafe.Pointer(&opened.nonce))}
	strides(&opened.monitors, opened.monitors_len, opened.monitor_stride, func(c *C.lnkeep_foreign_monitor) {
		backup.Monitors = append(backup.Monitors, LDKMonitor{
			ChannelID:     *(*ChannelID)(unsafe.Pointer(&c.channel_id)),
			Counterparty:  NodeID(point(&c.counterparty)),
			MinSeenSecret: uint64(c.min_seen_secret),
			Monitor:       bytesOf(&c.monitor),
		})
	})
	return backup, nil
}

func cForeignCLNOpen(key *Secret, blob []byte) (*CLNBackup, error) {
	var opened *C.lnkeep_foreign_cln
	detail := newError()
	status := C.lnkeep_foreign_cln_open(secretBytes(key), view(blob), &opened, &detail)
	if err := check("open cln backup", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_foreign_cln_free(opened)
	backup := &CLNBackup{
		Format:            CLNFormat(opened.format),
		Version:           uint64(opened.version),
		TimestampUnixSecs: uint32(opened.timestamp_unix_secs),
	}
	strides(&opened.channels, opened.channels_len, opened.channel_stride, func(c *C.lnkeep_foreign_cln_channel) {
		backup.Channels = append(backup.Channels, clnChannelOf(c))
	})
	return backup, nil
}

func clnChannelOf(c *C.lnkeep_foreign_cln_channel) CLNChannel {
	channel := CLNChannel{
		DBID:        uint64(c.dbid),
		ChannelID:   *(*ChannelID)(unsafe.Pointer(&c.channel_id)),
		NodeID:      NodeID(point(&c.node_id)),
		Address:     bytesOf(&c.address),
		FundingTxID: *hash(&c.funding_txid),
		FundingVout: uint32(c.funding_vout),
		FundingSats: uint64(c.funding_sats),
		ChannelType: bytesOf(&c.channel_type),
	}
	if c.flags&C.LNKEEP_FOREIGN_CLN_HAS_SHACHAIN != 0 {
		channel.Shachain = &CLNShachain{MinIndex: uint64(c.shachain_min_index)}
		const entryBytes = 8 + 32
		for rest := lent(&c.shachain.ptr, c.shachain.len); len(rest) >= entryBytes; rest = rest[entryBytes:] {
			channel.Shachain.Entries = append(channel.Shachain.Entries, CLNShachainEntry{
				Index: binary.BigEndian.Uint64(rest), Secret: Secret(rest[8:entryBytes]),
			})
		}
	}
	if c.flags&C.LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS != 0 {
		channel.Basepoints = &CLNBasepoints{
			Revocation:     point(&c.revocation_basepoint),
			Payment:        point(&c.payment_basepoint),
			HTLC:           point(&c.htlc_basepoint),
			DelayedPayment: point(&c.delayed_payment_basepoint),
		}
	}
	if c.flags&C.LNKEEP_FOREIGN_CLN_HAS_OPENER != 0 {
		opener := uint8(c.opener)
		channel.Opener = &opener
	}
	if c.flags&C.LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY != 0 {
		delay := uint16(c.to_self_delay_blocks)
		channel.ToSelfDelayBlocks = &delay
	}
	return channel
}

func cForeignLightningKMPOpen(key *Secret, blob []byte) (*LightningKMPBackup, error) {
	var opened *C.lnkeep_foreign_lightning_kmp
	detail := newError()
	status := C.lnkeep_foreign_lightning_kmp_open(secretBytes(key), view(blob), &opened, &detail)
	if err := check("open lightning-kmp backup", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_foreign_lightning_kmp_free(opened)
	return &LightningKMPBackup{Version: uint8(opened.version), Payload: bytesOf(&opened.payload)}, nil
}

func cForeignLNDOpen(key *Secret, file []byte) (*LNDBackup, error) {
	var opened *C.lnkeep_foreign_lnd
	detail := newError()
	status := C.lnkeep_foreign_lnd_open(secretBytes(key), view(file), &opened, &detail)
	if err := check("open lnd backup", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_foreign_lnd_free(opened)
	backup := &LNDBackup{
		Version:   uint8(opened.version),
		Count:     uint32(opened.count),
		Rest:      bytesOf(&opened.rest),
		Plaintext: bytesOf(&opened.plaintext),
	}
	strides(&opened.singles, opened.singles_len, opened.single_stride, func(c *C.lnkeep_foreign_lnd_single) {
		single := LNDSingle{
			Version: uint8(c.version), HasCloseTx: c.has_close_tx != 0, Bytes: bytesOf(&c.bytes),
		}
		if c.channel != nil {
			single.Channel = lndChannelOf(c.channel)
		}
		backup.Singles = append(backup.Singles, single)
	})
	return backup, nil
}

func locatorOf(c *C.lnkeep_key_locator) LNDKeyLocator {
	return LNDKeyLocator{Family: uint32(c.family), Index: uint32(c.index)}
}

func lndChannelOf(c *C.lnkeep_foreign_lnd_channel) *LNDChannel {
	channel := &LNDChannel{
		Initiator:            c.flags&C.LNKEEP_FOREIGN_LND_INITIATOR != 0,
		ChainHash:            *hash(&c.chain_hash),
		FundingTxID:          *hash(&c.funding_txid),
		FundingVout:          uint16(c.funding_vout),
		ShortChannelID:       ShortChannelID(c.short_channel_id),
		NodeID:               NodeID(point(&c.node_id)),
		CapacitySat:          uint64(c.capacity_sat),
		LocalCSVDelayBlocks:  uint16(c.local_csv_delay_blocks),
		RemoteCSVDelayBlocks: uint16(c.remote_csv_delay_blocks),
		RemoteKeys: [5][33]byte{
			point(&c.remote_multisig), point(&c.remote_revocation), point(&c.remote_payment),
			point(&c.remote_delayed_payment), point(&c.remote_htlc),
		},
		ShachainRootLocator: locatorOf(&c.shachain_root_locator),
	}
	for i := range c.local_keys {
		channel.LocalKeys[i] = locatorOf(&c.local_keys[i])
	}
	for _, address := range elements(&c.addresses, c.addresses_len) {
		channel.Addresses = append(channel.Addresses, bytesOf(&address))
	}
	if c.flags&C.LNKEEP_FOREIGN_LND_HAS_SHACHAIN_ROOT != 0 {
		root := point(&c.shachain_root)
		channel.ShachainRoot = &root
	}
	if c.flags&C.LNKEEP_FOREIGN_LND_HAS_LEASE != 0 {
		height := uint32(c.lease_expiry_height)
		channel.LeaseExpiryHeight = &height
	}
	if c.flags&C.LNKEEP_FOREIGN_LND_HAS_CLOSE_TX != 0 {
		channel.CloseTx = lndCloseTxOf(c)
	}
	return channel
}

func lndCloseTxOf(c *C.lnkeep_foreign_lnd_channel) *LNDCloseTx {
	closeTx := &LNDCloseTx{CommitTx: bytesOf(&c.commit_tx), CommitSignature: bytesOf(&c.commit_signature)}
	if c.flags&C.LNKEEP_FOREIGN_LND_HAS_COMMIT_HEIGHT != 0 {
		height := uint64(c.commit_height)
		closeTx.CommitHeight = &height
	}
	if c.flags&C.LNKEEP_FOREIGN_LND_HAS_TAPSCRIPT_ROOT != 0 {
		closeTx.TapscriptRoot = hash(&c.tapscript_root)
	}
	return closeTx
}
