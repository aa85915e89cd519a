"""Other programs for the same task, each as its users would write it.

All take `URL DATABASE USERNAMES`: the API, an empty database, and a file with a name a line. All ask for the same
entities: the users, their projects, each project itself, its comments, and the replies of comments that have some; and
store users, projects, and comments with replies in PostgreSQL.
"""
