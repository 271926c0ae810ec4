//! The whole hotline in virtual time
