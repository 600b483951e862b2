//! `hsic test`.
