#!/usr/bin/env python3
"""validate.py SCHEMA FILE...: exit 1 and one line per violation if a JSON file does not match the schema."""
import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as f:
    validator = jsonschema.Draft7Validator(json.load(f))
bad = False
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as f:
        for error in validator.iter_errors(json.load(f)):
            print(f"{name}: {'/'.join(map(str, error.path))}: {error.message}")
            bad = True
sys.exit(bad)
