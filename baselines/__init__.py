"""The paper's baselines (section IV-B), one module each."""
