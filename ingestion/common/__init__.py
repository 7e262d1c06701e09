"""What every kind shares: transport, errors, money, configuration, loading of Arrow tables."""
