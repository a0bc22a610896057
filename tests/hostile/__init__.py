"""Recipes and files as a careless or hostile person may write them: each is read, or refused in lines of its own."""
