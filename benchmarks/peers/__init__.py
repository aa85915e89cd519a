"""Other ways to do what this project does, each as its users would write it, and as a program of its own.

All take `URL DATABASE USERNAMES`: the API, an empty database, and a file with a name a line. All ask for the same
things of these users: themselves, their projects, each project itself, its comments, and the replies of comments that
have some; and leave users, projects, and comments with replies in PostgreSQL.
"""
