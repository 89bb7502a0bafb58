"""The attacks, an idea a file. Each registers itself; :data:`blindsight.audit.attack.BUILT_IN` names the files."""
