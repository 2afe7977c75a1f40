"""Reports: tables made from stored cells; nothing here trains or evaluates."""
