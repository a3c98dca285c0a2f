"""The lab: receivers that behave like the big mailbox providers, and a DNS that knows them.

One process, only on 127.0.0.0/8. It knows nothing of the product: it is spoken to by SMTP, DNS and HTTP, and what it
saw is in its ledger.
"""
