"""Pictures that training sets share with evaluation sets: by file, by their names, and by what they look like."""
