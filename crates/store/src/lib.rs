//! Presence and queue shared through Redis, records in SQL, and the embedded defaults
