// The package is here for what it depends on.
