#!/bin/sh
# Creates or upgrades both databases of Temporal. Every step may be repeated, so it runs at every start.
# Needs SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD.
set -eu

for database in temporal temporal_visibility; do
  temporal-sql-tool --db "$database" create-database
  temporal-sql-tool --db "$database" setup-schema -v 0.0
done
temporal-sql-tool --db temporal update-schema --schema-name postgresql/v12/temporal
temporal-sql-tool --db temporal_visibility update-schema --schema-name postgresql/v12/visibility
