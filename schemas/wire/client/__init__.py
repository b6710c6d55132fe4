"""What every implementation of the ports does alike, whichever client library speaks: keep a connection over a list of
nodes, keep consumers and the publishing channel over lost ones, tell what happens. It asks of a library no more than
`connection.py` says."""
