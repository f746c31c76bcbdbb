"""The generator of the parts of README.md, meltano.yml and .env.example that repeat the code."""
