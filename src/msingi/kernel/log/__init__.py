"""The transparency log: every act leaves a leaf that nobody can change, remove or reorder unseen.

Laws
1. One transaction leaves at least one entry, written in that transaction.
2. An entry is the RFC 6962 tree hash over the commitments of the transaction's records.
3. A commitment is SHA-256(salt || canonical record); without the salt it says nothing about the record.
4. The tree only grows: every checkpoint is consistent with all before it.
5. Erasing a person's key makes the records unreadable and leaves every proof valid.

Standards: RFC 6962 and RFC 9162 (Merkle trees), RFC 8785 (canonical JSON), C2SP tlog-tiles, tlog-checkpoint,
signed-note, tlog-cosignature, tlog-witness and tlog-proof.
"""

from msingi.kernel.log.leaf import append as append
from msingi.kernel.log.leaf import append_all as append_all
from msingi.kernel.log.leaf import append_root as append_root
