//! The monitors against their model: every state that few entries and crashes can reach, random lists of
//! calls with a crash at every write, and the mistakes that the invariants must notice.
