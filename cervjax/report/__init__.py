"""The page of an assessment: data, pictures, template."""
