# Licensed under Apache-2.0.
