"""The ledger's pages."""

from audit.pages.export import LedgerExport
from audit.pages.ledger import Ledger, LedgerEntry

__all__ = ["Ledger", "LedgerEntry", "LedgerExport"]
