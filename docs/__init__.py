"""What README.md, meltano.yml and .env.example take from the code."""
