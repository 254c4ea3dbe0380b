// OVSDB (RFC 7047) client and server halves: values, typed tables, replica, transactions.
export {}
