//! A SIP user agent for tests, simulation and the command line, on the same sip and media machines; no I/O
