//! End-to-end tests: a real havre, SIPp, baresip and Redis on loopback.
