"""What a refresh run is, its states and their legal transitions."""
