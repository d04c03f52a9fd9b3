"""What runs SceneSift somewhere: the installer and the local cluster for tests and for trying."""
