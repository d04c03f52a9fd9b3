"""Where entries live: batch folders, segments and the log, and the engines that serve them."""
