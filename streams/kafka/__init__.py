"""The broker's side: connections, topics, producer, and Faust with chunks of records."""
