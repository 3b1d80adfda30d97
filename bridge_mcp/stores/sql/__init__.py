"""The faces of a store on SQL: all that every database does alike, by named statements that each adapter has."""
