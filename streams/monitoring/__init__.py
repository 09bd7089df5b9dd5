"""monitor: measurements become drift events, alerts and notifications."""
