//! `hsic measure`.
