//! The simulated Bitcoin network: one chain in a file that outlives kills, as the real network does.
//!
//! B1 a funding transaction confirms, with enough blocks on top, as soon as it is broadcast.
//! B2 a transaction that spends a confirmed channel is a force-close, which no run here asks for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::{Decodable, serialize};
use bitcoin::constants::genesis_block;
use bitcoin::hash_types::TxMerkleNode;
use bitcoin::hashes::Hash;
use bitcoin::{Block, CompactTarget, Network, OutPoint, Transaction, Txid};

/// Blocks that confirm a funding transaction, its own included.
const CONFIRMATIONS: usize = 6;

/// See the module.
pub struct Chain {
    file: File,
    blocks: Vec<Block>,
}

impl Chain {
    /// The chain of the file, or a new one.
    pub fn open(path: &Path) -> io::Result<Chain> {
        let bytes = fs::read(path).unwrap_or_default();
        let mut rest = bytes.as_slice();
        let mut blocks = vec![genesis_block(Network::Regtest)];
        // A block that a kill cut off was given to nobody.
        while let Ok(block) = Block::consensus_decode(&mut rest) {
            blocks.push(block);
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(blocks[1..].iter().map(|block| serialize(block).len() as u64).sum())?;
        Ok(Chain { file, blocks })
    }

    /// Height of the tip.
    pub fn height(&self) -> u32 {
        self.blocks.len() as u32 - 1
    }

    /// The block at a height.
    pub fn block(&self, height: u32) -> &Block {
        &self.blocks[height as usize]
    }

    /// Whether the transaction is in the chain.
    pub fn has(&self, txid: Txid) -> bool {
        self.transaction(txid).is_some()
    }

    fn transaction(&self, txid: Txid) -> Option<&Transaction> {
        let mut transactions = self.blocks[1..].iter().flat_map(|block| &block.txdata);
        transactions.find(|transaction| transaction.compute_txid() == txid)
    }

    /// Takes a broadcast transaction. Answers the confirmed funding output that it spends, if any (B2).
    pub fn broadcast(&mut self, transaction: &Transaction) -> io::Result<Option<OutPoint>> {
        let txid = transaction.compute_txid();
        if self.has(txid) {
            return Ok(None);
        }
        let inputs = transaction.input.iter().map(|input| input.previous_output);
        if let Some(spent) = inputs.clone().find(|outpoint| self.has(outpoint.txid)) {
            return Ok(Some(spent));
        }
        // Whatever spends an output of nowhere is a commitment of a channel that was never funded, except
        // for the coins that `coin` makes.
        if inputs.clone().any(|outpoint| !is_coin(outpoint)) {
            return Ok(None);
        }
        self.mine(vec![transaction.clone()])?;
        for _ in 1..CONFIRMATIONS {
            self.mine(Vec::new())?;
        }
        Ok(None)
    }

    fn mine(&mut self, transactions: Vec<Transaction>) -> io::Result<()> {
        let tip = self.blocks.last().expect("the genesis block is there");
        let mut block = Block {
            header: Header {
                version: Version::NO_SOFT_FORK_SIGNALLING,
                prev_blockhash: tip.block_hash(),
                merkle_root: TxMerkleNode::all_zeros(),
                time: tip.header.time + 1,
                bits: CompactTarget::from_consensus(42),
                nonce: 42,
            },
            txdata: transactions,
        };
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        self.file.write_all(&serialize(&block))?;
        self.blocks.push(block);
        Ok(())
    }
}

/// A coin to fund a channel with. Spending it needs no signature here.
pub fn coin(number: u64) -> OutPoint {
    let mut txid = [0xc0; 32];
    txid[..8].copy_from_slice(&number.to_le_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: 0 }
}

fn is_coin(outpoint: OutPoint) -> bool {
    outpoint.txid.to_byte_array()[8..] == [0xc0; 24]
}
