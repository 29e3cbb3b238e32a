//! The caching gateway in front of a folder or an HTTP origin.
