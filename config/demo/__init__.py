"""The demo world: a bookshop, its readers, and the receivers of the lab. Everybody in it is made up."""
